"""Is what one trajectory token does to a decoder a gradient step?"""
