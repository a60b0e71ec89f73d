# CCNet's own on Cityscapes: down to a learning rate of 0, and the weight decay that its README gives.
_base_ = './sgd_40k.py'

max_iters = 60000
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=max_iters)]
train_cfg = dict(max_iters=max_iters)
