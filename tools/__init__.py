"""What is needed to build, run and test Headset and is no part of it?"""
