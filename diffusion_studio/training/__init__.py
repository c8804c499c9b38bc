"""From a folder of pictures to a model: the pictures, the loop, the runs on disk. No Qt."""
