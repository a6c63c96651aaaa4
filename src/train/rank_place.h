#pragma once

#include <functional>
#include <string>

namespace edgeclip {

/// A process's place among those that train one model together, as the launcher says it.
struct RankPlace {
  int rank = 0, world = 1;
  int local = 1;  ///< processes on this machine
  std::string host = "127.0.0.1";
  int port = 29500;  ///< of rank 0, where the processes find each other
  std::string launcher;  ///< "torchrun's variables", ...; for messages
};

/// Reads RANK, WORLD_SIZE, LOCAL_WORLD_SIZE (torchrun and whatever sets the same), Open MPI's, MPICH's (and Intel
/// MPI's), Slurm's (of srun, not of the shell that calls it) or PMI's variables; MASTER_ADDR and MASTER_PORT say
/// where rank 0 is, else this machine where all are on it, and a port that follows from the job's number, where the
/// launcher tells one.  get: as std::getenv.  Without a launcher: alone.  Throws InvalidInput naming the variable.
RankPlace rank_place(const std::function<const char*(const char*)>& get);

}  // namespace edgeclip
