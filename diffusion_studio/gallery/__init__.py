"""The outputs folder as a gallery: what each picture says, found again by any setting, starred, tagged and given away."""
