"""The rain simulator: layers of rain over a clean clip, on the device where the clip is."""
