"""Parameter-wise learning rates and weight decay, in as few optimiser groups as there are settings."""

from collections import defaultdict

from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from scaseg.errors import UserError


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's ``paramwise_cfg`` with rules that combine, and one group per setting instead of one per parameter.

    Understands ``norm_decay_mult`` (for the parameters of normalisation layers, by type) and ``custom_keys``: a dict
    from a part of the parameter's name to ``lr_mult`` and ``decay_mult``. All that apply are multiplied: a norm inside
    the head has the head's learning rate and no weight decay. In mmengine the longest key that matches wins alone.

    Few groups let the optimiser update hundreds of tensors in one fused call.

    Raises:
        UserError: a key of ``custom_keys`` is in no parameter's name, or ``paramwise_cfg`` has an unknown key.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', is_dcn_module: bool | None = None
    ) -> None:
        """Append the groups of all parameters of ``module`` to ``params``."""
        custom_keys = self.paramwise_cfg.get('custom_keys', {})
        unknown = set(self.paramwise_cfg) - {'custom_keys', 'norm_decay_mult'}
        if unknown:
            raise UserError(
                f'optim_wrapper.paramwise_cfg: unknown {sorted(unknown)}; '
                'GroupedOptimWrapperConstructor takes custom_keys and norm_decay_mult'
            )
        for key, factors in custom_keys.items():
            if set(factors) - {'lr_mult', 'decay_mult'}:
                raise UserError(
                    f'optim_wrapper.paramwise_cfg.custom_keys.{key}: unknown '
                    f'{sorted(set(factors) - {"lr_mult", "decay_mult"})}; it takes lr_mult and decay_mult'
                )
        norms = _norm_parameters(module)
        groups = defaultdict(list)
        used = set()
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            matched = [key for key in custom_keys if key in name]
            used.update(matched)
            lr_mult, decay_mult = 1.0, self.paramwise_cfg.get('norm_decay_mult', 1.0) if name in norms else 1.0
            for key in matched:
                lr_mult *= custom_keys[key].get('lr_mult', 1.0)
                decay_mult *= custom_keys[key].get('decay_mult', 1.0)
            groups[lr_mult, decay_mult].append(parameter)
        unmatched = sorted(set(custom_keys) - used)
        if unmatched:
            raise UserError(
                f'optim_wrapper.paramwise_cfg.custom_keys: {unmatched} match no parameter of the model; '
                'remove them or correct the spelling'
            )
        for (lr_mult, decay_mult), parameters in groups.items():
            group = dict(params=parameters, lr=self.base_lr * lr_mult)
            if self.base_wd is not None:
                group['weight_decay'] = self.base_wd * decay_mult
            params.append(group)


def _norm_parameters(module: nn.Module) -> set[str]:
    """Names of the parameters that belong to normalisation layers."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
    return {
        f'{prefix}.{name}' if prefix else name
        for prefix, layer in module.named_modules()
        if isinstance(layer, kinds)
        for name, _ in layer.named_parameters(recurse=False)
    }
