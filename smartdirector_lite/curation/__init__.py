"""From films to training data (paper, section 3: data): shots, scenes, cameras, characters, structured captions."""
