default_scope = 'mmseg'
runner_type = 'QuietRunner'
custom_imports = dict(
    imports=['scaseg.models', 'scaseg.datasets', 'scaseg.engine', 'scaseg.evaluation'], allow_failed_imports=False
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),  # dist_train.sh takes gloo where there is no GPU
)
randomness = dict(seed=0)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', name='visualizer', vis_backends=vis_backends)
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
tta_model = dict(type='LeanTTAModel')
