# SCASeg (arXiv 2411.17061) with MobileNetV4-Conv-M on ADE20K; recipe of its relatives, see docs/scaseg.md.
# 19.62 M parameters, 9.21 GMACs at 512x512. Not run here.
# bash tools/dist_train.sh configs/scaseg/scaseg_mobilenetv4-m_8xb2-160k_ade20k-512x512.py 8
_base_ = [
    '../_base_/models/scaseg_mobilenetv4-m.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/adamw_160k.py',
    '../_base_/default_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}),
    decode_head=dict(num_classes={{_base_.num_classes}}),
)
