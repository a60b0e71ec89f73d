# The model of the quickstart at half resolution, taught by itself at full resolution: distillation on a CPU.
# 0.57 M parameters, 0.06 GMACs at 128x128. Train the teacher first: `make quickstart`.
# python tools/train.py configs/distillation/distill_scaseg-convnext-atto_1xb8-1500it_toyscenes-128x128.py
_base_ = '../scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    type='DistilledEncoderDecoder',
    neck=dict(type='FeatureUpsampler', in_channels=[32, 64, 128]),
    teacher=_base_.model,
    teacher_checkpoint='work_dirs/quickstart/iter_1500.pth',
)
