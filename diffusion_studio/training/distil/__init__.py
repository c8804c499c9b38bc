"""Making a model fast: a student of one to four steps from a trained teacher."""
