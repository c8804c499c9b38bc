"""The names of schedules, spacings, samplers and predictions with what the user reads for each.

Kept apart from the functions so that settings, `--help` and the empty window know them without importing torch;
a test holds these tables and the tables of functions against each other.
"""

SCHEDULES = {
    "linear": "Linear",
    "scaled_linear": "Scaled linear",
    "cosine": "Cosine",
    "sigmoid": "Sigmoid (diffusers)",
    "sigmoid_chen": "Sigmoid (Chen 2023)",
    "linear_zero_snr": "Linear, zero terminal SNR",
    "scaled_linear_zero_snr": "Scaled linear, zero terminal SNR",
    "cosine_zero_snr": "Cosine, zero terminal SNR",
    "flow": "Flow (straight line)",
}

SPACINGS = {
    "trailing": "Trailing",
    "leading": "Leading",
    "linspace": "Linspace",
    "quadratic": "Quadratic",
    "karras": "Karras",
    "exponential": "Exponential",
    "beta": "Beta",
    "beta_timesteps": "Beta (timesteps)",
}

SAMPLERS = {
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "unipc": "UniPC",
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "euler_ancestral": "Euler ancestral",
    "heun": "Heun",
    "lms": "LMS",
    "plms": "PLMS",
    "consistency": "Consistency",
}

PREDICTIONS = {
    "v_prediction": "Velocity (v)",
    "epsilon": "Noise (epsilon)",
    "sample": "Clean image (x0)",
    "flow_prediction": "Velocity (flow)",
}

TIMESTEP_SAMPLINGS = {
    "uniform": "Uniform",
    "logit_normal": "Logit-normal",
}

WEIGHTINGS = {
    "min_snr": "Min-SNR",
    "uncertainty": "Learned uncertainty",
    "sigmoid": "Sigmoid",
    "none": "None",
}

SPACES = {
    "pixels": "Pixels",
    "haar": "Haar bands",
    "haar2": "Haar bands, two levels",
    "latents": "Latents of an autoencoder",
}

CLIPPINGS = {
    "range": "To the range of colours",
    "dynamic": "Dynamic threshold",
    "none": "None",
}
