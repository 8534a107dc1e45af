"""What is made of images once, and kept for whoever needs it again."""
