// Found by `#include <cuda_runtime.h>`.
#pragma once
#include "cuda_shim.h"
