"""What smartdirector-tiny is: the sizes and the frame rate that its parts are trained at."""

from ..media.size import Size

DRAFT = Size(112, 64)  # what Director-Gen makes
FINAL = DRAFT.times(2)  # what Director-SR makes of a draft
FPS = 12
