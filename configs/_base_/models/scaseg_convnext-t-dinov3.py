_base_ = './scaseg_mscan-t.py'

model = dict(
    pretrained='timm/convnext_tiny.dinov3_lvd1689m',
    backbone=dict(_delete_=True, type='TIMMFeatures', model_name='convnext_tiny', drop_path_rate=0.4),
    decode_head=dict(in_channels=None, num_heads=[1, 2, 4, 8]),  # None: read from timm
)
