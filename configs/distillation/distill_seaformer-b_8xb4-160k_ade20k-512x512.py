# SeaFormer-B at half resolution on ADE20K, taught by SeaFormer-B at full resolution: our design, after SeaFormer++
# (arXiv 2301.13156v6), see docs/seaformer.md. Train the teacher first.
# 8.72 M parameters, 0.65 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/distillation/distill_seaformer-b_8xb4-160k_ade20k-512x512.py 8
_base_ = '../seaformer/seaformer_seaformer-b_8xb4-160k_ade20k-512x512.py'

model = dict(
    type='DistilledEncoderDecoder',
    neck=dict(type='FeatureUpsampler', in_channels=[64, 192, 256], norm_cfg=_base_.norm_cfg),
    teacher=_base_.model,
    teacher_checkpoint='work_dirs/seaformer_seaformer-b_8xb4-160k_ade20k-512x512/iter_160000.pth',
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=10.0))))
