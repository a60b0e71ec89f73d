_base_ = './scaseg_mscan-t.py'

model = dict(
    pretrained='timm/mobilenetv4_conv_medium.e500_r256_in1k',
    backbone=dict(_delete_=True, type='TIMMFeatures', model_name='mobilenetv4_conv_medium', out_indices=(1, 2, 3, 4)),
    decode_head=dict(in_channels=None, num_heads=[1, 2, 4, 8]),  # None: read from timm
)
