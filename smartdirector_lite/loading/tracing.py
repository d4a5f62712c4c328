"""What a piece of code would need, without weights or memory: live bytes and FLOPs of what runs on meta tensors.

Tensors on torch's meta device have a shape and no data. Under a `Tracer` every operation on them is seen, so the peak
of the bytes that live at once is counted as the code itself makes and drops its tensors, not by a formula beside it.
What a kernel allocates for itself is not seen.
"""

import weakref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class _LiveBytes(TorchDispatchMode):
    """Bytes of the storages that operations have made since it was entered and that are still held."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._held: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {storage._cdata for storage in _storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            if storage._cdata not in self._held and storage._cdata not in given:
                self._hold(storage)
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def drop(_: weakref.ref) -> None:
            self.live -= size
            del self._held[key]

        self._held[key] = weakref.ref(storage, drop)
        self.live += size
        self.peak = max(self.peak, self.live)


def _storages(tree: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


class _FusedAttention(TorchFunctionMode):
    """Attention as the fused kernels do it: nothing of the size of tokens x tokens is held."""

    def __init__(self):
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is not nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        given = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
        query, key, value = given["query"], given["key"], given["value"]
        products = query.numel() * key.shape[-2] + query[..., 0].numel() * value.shape[-2] * value.shape[-1]
        self.flops += 2 * products
        return query.new_empty(*query.shape[:-1], value.shape[-1])


class Tracer:
    """`with Tracer() as trace: ...`, then `trace.peak`, bytes beyond what was there before, and `trace.flops`."""

    def __enter__(self) -> "Tracer":
        self._memory, self._attention, self._counter = _LiveBytes(), _FusedAttention(), FlopCounterMode(display=False)
        for mode in (self._attention, self._counter, self._memory):
            mode.__enter__()
        return self

    def __exit__(self, *error) -> None:
        for mode in (self._memory, self._counter, self._attention):
            mode.__exit__(*error)

    @property
    def peak(self) -> int:
        return self._memory.peak

    @property
    def flops(self) -> int:
        """Floating-point operations of matrix products and convolutions, a multiplication and an addition being two."""
        return self._counter.get_total_flops() + self._attention.flops
