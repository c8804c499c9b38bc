"""The mathematics: noise schedules, samplers, denoisers and the U-Net. No Qt, no files, no settings."""
