"""The index: what earlier runs found out, kept in the user's cache folder; safe to share, kill and delete."""
