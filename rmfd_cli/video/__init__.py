"""Video files in and out: planes, timestamps, colour and every stream of the source."""
