"""Speech of the fake model: a voice that always works, ears that know what was said."""
