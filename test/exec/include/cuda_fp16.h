// Found by `#include <cuda_fp16.h>`.
#pragma once
#include "cuda_shim.h"
