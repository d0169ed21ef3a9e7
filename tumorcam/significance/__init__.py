"""Statistics of saliency: from shards to one ranking a method and view."""
