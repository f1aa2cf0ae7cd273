"""What federations train: heads on a frozen trunk and the outlining network, by scanner or by source."""
