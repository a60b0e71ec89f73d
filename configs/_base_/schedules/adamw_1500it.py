# A short schedule for a small data set and one process.
_base_ = './adamw_160k.py'

max_iters = 1500
optim_wrapper = dict(optimizer=dict(lr=5e-4), paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=2.0))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=100, end=max_iters),
]
train_cfg = dict(max_iters=max_iters, val_interval=300)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=300))
