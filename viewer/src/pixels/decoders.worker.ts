/** The worker in which Cornerstone's decoders run; importing them makes it answer. */

import "cornerstone-decoders";
