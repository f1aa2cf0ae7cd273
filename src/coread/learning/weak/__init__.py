"""Learning from fewer or worse labels: several readers, points, boxes, image labels, wrong labels."""
