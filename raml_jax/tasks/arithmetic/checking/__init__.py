"""An independent reader: is this text right, and where does it go wrong?"""
