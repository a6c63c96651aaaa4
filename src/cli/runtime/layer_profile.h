#pragma once

#include "base/json.h"
#include "engine/runtime/node_profile.h"

namespace edgeclip {

/// What `run --profile` writes: NodeProfile::json() with the roofs of this machine, which are measured now
/// (nothing else of this process runs), and "peaks_hold".  Where beats_peaks() finds a layer they are
/// measured once more and the higher ones count; where one still beats them, "peaks_hold" is false, all
/// shares of the roofline are null, and a warning says so.
Json layer_profile(const engine::NodeProfile& profile);

/// Whether a layer did more than the measured peaks allow, by more than a tenth: then the machine was busy
/// while they were measured.  Multiply-accumulates count always, bytes only of a layer that moves as many as
/// were read to measure that peak: fewer may lie in a cache.  profile: NodeProfile::json() with roofs.
bool beats_peaks(const Json& profile);

/// profile with "peaks_hold" before its layers; if they do not hold, without shares of the roofline.
Json with_peaks_judged(const Json& profile, bool hold);

/// The layers as a table on stdout.
void print_layers(const Json& profile);

}  // namespace edgeclip
