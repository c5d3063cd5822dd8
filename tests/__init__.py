"""Tests of Hapta; ``tests.support`` holds what several of them need."""
