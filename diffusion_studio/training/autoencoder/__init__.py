"""Training of the autoencoder whose latents a U-Net learns in, from nothing or on from the one that is shipped."""
