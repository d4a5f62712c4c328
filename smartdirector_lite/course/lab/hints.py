"""The hints of all exercises, in three levels, from a nudge to nearly the answer. `lab.hint("04.1")` gives the next."""

HINTS: dict[str, tuple[str, str, str]] = {
    "01.1": (
        "Draw frames 0 to 12 on paper, and circle the groups: first 1 frame, then s frames each time.",
        "Latent 0 is a case of its own. Before latent i there are 1 + s (i - 1) frames.",
        "first = 0 and stop = 1 for latent 0; else first = 1 + stride * (index - 1) and stop = first + stride.",
    ),
    "01.2": (
        "Put the cache in front of the run. Then every output of the run finds its whole past in this one tensor.",
        "Output t is the sum of weight[k] * x[t + k] over k, where x is the cache followed by the run.",
        "x = torch.cat([cache, run]). Add weight[k] * x[k : k + len(run)] for all k. The next cache is the end of x.",
    ),
    "01.3": (
        "One layer with a kernel of 3 sees 3 frames. How many more does a second layer add?",
        "Keep two numbers on your way through the layers: the frames seen, and how wide one step is, in frames.",
        "For each layer: seen += (kernel - 1) * step, and then step *= stride. Both numbers begin at 1.",
    ),
    "01.4": (
        "Go there and back: which latent holds the frame, and which frame is the first that this latent shows?",
        "Frame f lies in latent number f / s, rounded up. All latents before it stay.",
        "The first frame that changes is the first frame of that latent. You have `frames_of_latent` for it.",
    ),
    "01.5": (
        "Which index of `steps` leads into the frame? Write it down for frame 1.",
        "Take `steps` from `window` places before that index to the index, and as many after it. Then join the two.",
        "A negative start of a slice counts from the end, so use max(0, into - window). np.concatenate joins them.",
    ),
    "02.1": (
        "List the four reasons for a chunk to begin: frame 0, a condition, a cut, and one kind of clip.",
        "A clip of s k + 1 frames fills its latents: (length - 1) % stride is 0. After other clips a chunk begins.",
        "Collect the frames in a set, which drops doubles: 0, the cuts, each condition's frame, and frame + length "
        "after a clip that is not full, if that is less than num_frames. Return sorted(...) of it.",
    ),
    "02.2": (
        "Write down the places that are allowed after `start`. How far apart are they?",
        "They are start + 1, start + 1 + s, start + 1 + 2 s, ... Which k brings you nearest to `frame`?",
        "k = round((frame - start - 1) / stride), but at least 0. The place is start + 1 + stride * k.",
    ),
    "02.3": (
        "How many frames of each chunk are wanted, and at which end is the surplus?",
        "The time axis is axis 2. Each chunk counts its own frames from 0, not from `start`.",
        "Keep frames[:, :, : stop - start] of every chunk, and join them with torch.cat(..., dim=2).",
    ),
    "02.4": (
        "A frame is pinned if its latent is an anchor, and so are all latents before that one in its chunk.",
        "Anchors are always the first latents of a chunk. A condition of n frames pins n frames.",
        "For every condition take the frames from frame_index to frame_index + num_frames - 1. Sort them all.",
    ),
    "02.5": (
        "Find the chunk first. Which frames does a chunk cover, if its stop is where the next one begins?",
        "Inside its chunk, the frame lies in latent number (frame - start) / s, rounded up. Add the chunks before.",
        "latent_start + 1 + -(-(frame - start) // stride). The 1 turns an index into a number of latents.",
    ),
    "03.1": (
        "Do it for one pair on paper first: (1, 0), turned by 90 degrees, becomes (0, 1).",
        "Take x_1 = x[:, 0::2] and x_2 = x[:, 1::2]. Both have the shape of `angles`, so the formula needs no loop.",
        "Make x_1 cos - x_2 sin and x_1 sin + x_2 cos. torch.stack([...], dim=-1).flatten(1) puts them in turns.",
    ),
    "03.2": (
        "How many radians is a full turn?",
        "In one step the pair turns by omega = theta ** (-2 * pair / dim). Solve omega * distance = 2 pi.",
        "The distance is 2 * math.pi * theta ** (2 * pair / dim). The minus sign goes because you divide by omega.",
    ),
    "03.3": (
        "How many values does each axis get? Count them for head_dim = 64: 24 + 20 + 20.",
        "Height and width get 2 * (head_dim // 6) each, time gets the rest. Each axis has its own `clocks(size)`.",
        "torch.cat three parts: tau * clocks(head_dim - 2 * side), row * clocks(side), column * clocks(side).",
    ),
    "03.4": (
        "Make the chunks first: borders at 0, at the keyframes, and at num_frames.",
        "Latent i of a chunk that begins at b shows b + s i last, unless the chunk ends before that.",
        "For each chunk [b, e) and i from 0 to n - 1: min(b + s * i, e - 1) / s, where n = 1 + ceil((e - b - 1) / s).",
    ),
    "03.5": (
        "How much time does one chunk take, in latents? One keyframe, and f_i latents of s frames.",
        "A keyframe is one frame, so it takes 1/s of a latent's time. Add up what the chunks before take.",
        "Chunk i takes f_i + 1/s. A keyframe stands at the sum of the chunks before it; the end is the sum of all.",
    ),
    "04.1": (
        "Begin with one sample: what is x_t at t = 0, at t = 1, and half-way? What is its change when t grows?",
        "t has the shape (B,), and x_0 has more axes. Give t axes of size 1 at its end, so that each sample meets its "
        "own t: for points (B, 1), for latents (B, 1, 1, 1, 1).",
        "share = t.view(-1, *[1] * (x_0.ndim - 1)); then x_t is (1 - share) of the data plus share of the noise.",
    ),
    "04.2": (
        "How many steps are there between K + 1 times? Write the first step by hand, then the second.",
        "itertools.pairwise(times) gives the pairs (this time, next time). Each step asks for the velocity at the x "
        "and the time where the step begins.",
        "In the loop: x = x + (then - now) * velocity(x, now). The loop begins with x = x_1, and the return stands "
        "below it.",
    ),
    "04.3": (
        "Put numbers in: for a shift of 3, t = 1/2 must give 0.75, and the ends 0 and 1 must stay.",
        "The whole sum 1 + (shift - 1) t stands below the line. In Python it needs brackets.",
        "return shift * t / (1 + (shift - 1) * t)",
    ),
    "04.4": (
        "For each latent frame there are two questions: what is in it, and how noisy is it?",
        "torch.where(mask, a, b) chooses value by value. The mask has one value for each latent frame, which is axis 2 "
        "of (B, C, F, h, w); the timesteps are (B, F).",
        "The mask is anchors.view(1, 1, -1, 1, 1). The timesteps are torch.where(anchors, 0.0, 1000.0 * t), expanded "
        "to (B, F).",
    ),
    "04.5": (
        "Which velocity must come out at scale 0, and which at scale 1?",
        "Start at the velocity without the text. Walk towards the one with the text, `scale` times the whole way.",
        "return unconditional + scale * (conditional - unconditional)",
    ),
    "04.6": (
        "Write down in words what one step does: timesteps, velocity, move, anchors. All of it is written already.",
        "Before the loop: x, timesteps = place(noise, encoded, anchors, times[0]). For each pair (now, then): ask for "
        "the velocity, move x, and call place again, with `then` as the time.",
        "Along the path: x = euler(lambda x, t: v, x, [now, then]). With fresh noise: the guess of x_0 is x - now * v, "
        "and straight_path(guess, renew(x), torch.full((len(x),), then))[0] is the new x.",
    ),
    "05.1": (
        "Take a frame of 2 x 2 pixels. How do you get the four pixels out of it by indexing?",
        "Slices with a step pick every second row or column: video[..., ::2, :] and video[..., 1::2, :]. The mean of "
        "these two halves the height.",
        "Halve the height so, and then do the same with the columns: rows[..., ::2] and rows[..., 1::2].",
    ),
    "05.2": (
        "For each latent frame: where does its content come from, and is there anything left to change about it?",
        "torch.where(mask, a, b) chooses. anchors is (B, F); to meet (B, C, F, h, w) it needs axes of size 1 for C, h "
        "and w.",
        "start = torch.where(anchors[:, None, :, None, None], z_hr, z_lr); the times are 1 where there is no anchor, "
        "as floats.",
    ),
    "05.3": (
        "This is the loop of notebook 04 with another start. What are the times of K equal steps from 1 to 0?",
        "Step k begins at t = 1 - k / steps, and is 1 / steps long. start_of_flow gives the start, and also 1 for each "
        "latent frame that moves and 0 for each anchor. Multiplied by t, these are the times that velocity needs.",
        "In the loop: x = x - velocity(x, t * moving) / steps. Then put the anchors back: "
        "x, _ = start_of_flow(x, z_hr, anchors).",
    ),
    "05.4": (
        "For one frame and one keyframe, what is the distance? And for one frame and several keyframes?",
        "abs(frame - key) is the distance to one keyframe, on both sides. Of all keyframes, take the least.",
        "[min(abs(frame - key) for key in keyframes) for frame in range(num_frames)]",
    ),
    "06.1": (
        "First find the times: what is the time of an anchor, and what is that of every other latent frame of clip b?",
        "torch.where(anchors, 0.0, t[:, None]) has the shape (B, F). To mix latents, spread it over C, h and w.",
        "at = times[:, None, :, None, None]; then x_t = (1 - at) * x_0 + at * x_1. At an anchor, at is 0.",
    ),
    "06.2": (
        "Find the error of each latent frame of each clip first, (B, F). Then think about which of them count.",
        "The error is the squared difference to x_1 - x_0, with the mean over axes 1, 3 and 4. Multiply it by 1 for "
        "free latent frames and by 0 for anchors, and divide the sum by the number of free ones.",
        "free = (~anchors).float(); return (error * free).sum() / free.sum().clamp(min=1). The clamp is for the case "
        "that nothing is free.",
    ),
    "06.3": (
        "In which bin of 4 lies t = 0.3? And t = 0.25, on the border? And t = 1?",
        "The bin of a time is the whole part of times * bins, as int() takes it. One time needs extra care.",
        "place = (times * bins).long().clamp(max=bins - 1). The mean of an empty tensor is NaN in torch, as it should "
        "be.",
    ),
    "06.4": (
        "Go through the list with a pencil. What do you have to remember while you read it?",
        "Remember the index of the best loss so far. At each index, the number of evaluations without an improvement "
        "is index - best.",
        "For each index: if loss < losses[best], then best = index; if index - best == patience, stop. After the loop, "
        "return best.",
    ),
    "06.5": (
        "Put the formula for y in brackets: which single matrix, times x, gives the same?",
        "The matrix is W plus a factor times B A. The rank r is the number of rows of A.",
        "return weight + alpha / A.shape[0] * B @ A",
    ),
    "08.1": (
        "What is 3 - 5 for numbers of the type uint8? Try it in a cell.",
        "Convert to float first. np.diff(..., axis=0) gives the T - 1 differences of neighbours; frame 0 gets a 0.",
        "steps = np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3)) / 255; return np.append(0, steps)",
    ),
    "08.2": (
        "A cut is a large jump in a quiet place. Which two conditions does the text name?",
        "For each i take the window from i - around to i + around, without going below 0. Compare with its median.",
        "beside = np.median(jumps[max(0, i - around) : i + around + 1]); keep i if jumps[i] > threshold and "
        "jumps[i] > ratio * beside.",
    ),
    "08.3": (
        "First mark the frames, as an array of bools. How do you find where runs of True begin and end?",
        "Put a False before and after the marks. np.flatnonzero(marks[1:] != marks[:-1]) then gives start, stop, "
        "start, stop, ... For each run, look for the highest value of `single` in it.",
        "peak = start + single[start:stop].argmax(). If single[peak] > low, append (peak + 1, peak + 1) where "
        "stop - start <= 3, and (start, stop) elsewhere.",
    ),
    "08.4": (
        "Draw the shots as dots on a line, and the links as arcs. A new scene begins where no arc passes.",
        "Walk from left to right and remember `reach`, the last shot that the scene certainly has. What makes it grow?",
        "At shot i: if i > reach, scene += 1. Then reach = max(reach, i), and i + 1 or i + 2 where that link is there.",
    ),
    "08.5": (
        "Each point gives two equations: a x - b y + tx = x', and b x + a y + ty = y'. What are the unknowns?",
        "The unknowns are a, b, tx, ty. The rows for x' are (x, -y, 1, 0). What are the rows for y'?",
        "Stack all rows (x, -y, 1, 0) and then all rows (y, x, 0, 1). np.linalg.lstsq(rows, right side)[0] gives "
        "a, b, tx, ty, where the right side is all x' and then all y'.",
    ),
    "09.1": (
        "Look at the late video: which pixels are right all the time, and which are wrong?",
        "The backdrop is right in the late video and a little wrong in a cross-fade, so leave it out: an error over "
        "the moving pixels alone, with a minus.",
        "error = (video - truth).square().mean(dim=1, keepdim=True); return -float(error[motion_mask(truth)].mean())",
    ),
    "09.2": (
        "Go through the defects, and ask of each figure: would it change? The names of four figures say it.",
        "The creature that is swapped has another colour, and the caption names it. What stands still is late. A "
        "keyframe that shows another moment is late or early, too.",
        "flash: flashes; colour shift: colour shifts; late cut: cuts; frozen stretch: frozen and timing; swapped "
        "keyframe: keyframe L1, middle, and timing; other creature: identity and caption colours.",
    ),
    "09.3": (
        "Compute the four terms one by one, and print them for two sets whose means and covariances you know.",
        "torch.cov wants dimensions as rows, so give it a.T. The trace of the matrix root is the sum of the roots of "
        "the eigenvalues of cov_a @ cov_b.",
        "cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum(). The distance is the squared "
        "difference of the means, plus both traces, minus 2 * cross.",
    ),
    "09.4": (
        "Draw one resample of [1.0, 3.0] by hand. How many values does it have, and which number do you keep of it?",
        "Draw len(values) of the values with replacement, take their mean, and do this `draws` times. Two quantiles of "
        "these means are the ends. What share lies below the lower one?",
        "means = rng.choice(values, (draws, len(values))).mean(axis=1). Ends: np.quantile(means, [0.025, 0.975]).",
    ),
    "09.5": (
        "Unblind first: a choice is good if it is the side of ours.",
        "good: how many choices equal their side; same: how many are 'same'; bad: the rest. GSB divides by all.",
        "p = (good + same / 2) / n; m = (p + z**2 / (2 * n)) / (1 + z**2 / n); h = z / (1 + z**2 / n) * "
        "(p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5. Return (good - bad) / n, 2 * (m - h) - 1 and 2 * (m + h) - 1.",
    ),
}
