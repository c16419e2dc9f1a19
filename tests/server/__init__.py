"""Tests of the two servers and of what stands before them: real servers on free ports, real tokens."""
