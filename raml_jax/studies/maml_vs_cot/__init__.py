"""The main job: does a chain of thought descend?"""
