"""The outputs folder as a gallery: the settings of each image, search by any of them, stars, tags, albums and export."""
