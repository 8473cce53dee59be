"""Media in processes of its own: started, watched, restarted, and chosen by load."""
