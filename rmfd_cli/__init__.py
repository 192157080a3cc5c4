"""rmfd takes the rain out of video: recurrent multi-frame deraining, guided by the physics of rain."""

__version__ = "0.1.0"
