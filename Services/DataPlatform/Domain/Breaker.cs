using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly;
using Polly.CircuitBreaker;

namespace ConcertSaga.DataPlatform.Domain;

/// <summary>
/// Leaves a destination alone that is down. While it does nothing is even taken from the table, so that deliveries wait with all their attempts;
/// then a single one tries whether it is back. Each replica finds out for itself.
/// </summary>
internal sealed class Breaker
{
    private readonly CircuitBreakerStateProvider _state = new();
    private readonly TimeProvider _clock;
    private long _openUntil;
    private int _isTrying;

    public Breaker(IOptions<DataPlatformOptions> options, TimeProvider clock, RelayMetrics metrics)
    {
        _clock = clock;
        metrics.Watch(() => _state.CircuitState);
        Pipeline = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = clock }
            .AddCircuitBreaker(new HttpCircuitBreakerStrategyOptions
            {
                Name = "data-platform",
                FailureRatio = options.Value.BreakerFailureRatio,
                SamplingDuration = options.Value.BreakerSampling,
                MinimumThroughput = options.Value.BreakerMinimum,
                BreakDuration = options.Value.BreakerPause,
                StateProvider = _state,
                // A time-out cancels the request, and arrives here as that.
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome switch
                {
                    { Exception: not null } => true,
                    { Result: { } answer } => Verdicts.IsTroubled(answer.StatusCode),
                    _ => false
                }),
                OnOpened = arguments =>
                {
                    Interlocked.Exchange(ref _openUntil, (clock.GetUtcNow() + arguments.BreakDuration).UtcTicks);
                    metrics.Opened.Add(1);
                    return ValueTask.CompletedTask;
                }
            })
            .Build();
    }

    public ResiliencePipeline<HttpResponseMessage> Pipeline { get; }

    public CircuitState State => _state.CircuitState;

    /// <summary>How many deliveries may be taken now, and whether it is one that tries; whoever is given that has to say when it is over.</summary>
    public (int Most, bool IsTrial) Allow(int most)
    {
        if (_state.CircuitState == CircuitState.Closed)
            return (most, false);
        return _clock.GetUtcNow().UtcTicks < Interlocked.Read(ref _openUntil) || Interlocked.CompareExchange(ref _isTrying, 1, 0) != 0 ? (0, false) : (1, true);
    }

    public void TrialEnded() => Interlocked.Exchange(ref _isTrying, 0);
}
