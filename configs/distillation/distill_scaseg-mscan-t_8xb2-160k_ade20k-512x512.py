# SCASeg with MSCAN-T at half resolution on ADE20K, taught by itself at full resolution: our design, after SeaFormer++
# (arXiv 2301.13156v6), see docs/seaformer.md. Train the teacher first.
# 5.50 M parameters, 2.87 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/distillation/distill_scaseg-mscan-t_8xb2-160k_ade20k-512x512.py 8
_base_ = '../scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'

model = dict(
    type='DistilledEncoderDecoder',
    neck=dict(type='FeatureUpsampler', in_channels=[32, 64, 160, 256], norm_cfg=_base_.norm_cfg),
    teacher=_base_.model,
    teacher_checkpoint='work_dirs/scaseg_mscan-t_8xb2-160k_ade20k-512x512/iter_160000.pth',
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=10.0))))
