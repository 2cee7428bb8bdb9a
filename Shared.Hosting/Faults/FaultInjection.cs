using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts;
using MassTransit;

namespace ConcertSaga.Shared.Hosting.Faults;

/// <summary>Section <c>Faults:{Command}</c>, where the command is a type name such as <c>HoldSeats</c>.</summary>
public sealed class CommandFaults
{
    /// <summary>The share of forward commands that get the step's usual refusal, 0 to 1.</summary>
    [Range(0.0, 1.0)]
    public double RejectRate { get; set; }

    /// <summary>The share of commands that get no reply, 0 to 1. Half of them are not handled at all; half lose only the reply.</summary>
    [Range(0.0, 1.0)]
    public double DropRate { get; set; }

    /// <summary>The delay before each command is handled.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Delay { get; set; }

    /// <summary>The share of commands that are handled twice, 0 to 1.</summary>
    [Range(0.0, 1.0)]
    public double DuplicateRate { get; set; }
}

/// <summary>
/// Injects faults for tests, demonstrations and drills. It is off unless <c>Faults:Enabled</c> is true. Each rate applies to each command
/// separately.
/// </summary>
public sealed class FaultInjection
{
    private const string CopyHeader = "Fault-Copy";

    private static readonly AsyncLocal<bool> ReplyDropped = new();

    private readonly bool _enabled;

    // Replaced as a whole whenever the file of Faults:File changes.
    private volatile IReadOnlyDictionary<string, CommandFaults> _faults = new Dictionary<string, CommandFaults>();

    internal FaultInjection(bool enabled) => _enabled = enabled;

    /// <summary>Decides whether the current forward command is refused.</summary>
    public bool Rejects<TCommand>() =>
        _faults.TryGetValue(typeof(TCommand).Name, out var fault) && Roll(fault.RejectRate);

    /// <summary>Sets the faults, from the next command on.</summary>
    internal void Use(IReadOnlyDictionary<string, CommandFaults> faults) => _faults = faults;

    /// <summary>Adds the filter if faults are enabled.</summary>
    internal void Apply(IBusFactoryConfigurator bus, IRegistrationContext context)
    {
        if (_enabled)
            bus.UseConsumeFilter(typeof(ConsumeFilter<>), context);
    }

    /// <summary>Whether the current command gets no reply.</summary>
    internal static bool DropsReply => ReplyDropped.Value;

    private static bool Roll(double rate) => rate > 0 && Random.Shared.NextDouble() < rate;

    internal sealed class ConsumeFilter<T>(FaultInjection injection) : IFilter<ConsumeContext<T>>
        where T : class
    {
        public async Task Send(ConsumeContext<T> context, IPipe<ConsumeContext<T>> next)
        {
            if (!injection._faults.TryGetValue(typeof(T).Name, out var fault))
            {
                await next.Send(context);
                return;
            }
            if (fault.Delay > TimeSpan.Zero)
                await Task.Delay(fault.Delay, context.CancellationToken);
            if (Roll(fault.DropRate))
            {
                if (Roll(0.5))
                {
                    // Without this, MassTransit would move the message to <queue>_skipped.
                    await context.NotifyConsumed(TimeSpan.Zero, "faults");
                    return;
                }
                ReplyDropped.Value = true;
            }
            if (!context.Headers.TryGetHeader(CopyHeader, out _) && Roll(fault.DuplicateRate))
            {
                var queue = context.ReceiveContext.InputAddress.Segments[^1];
                var endpoint = await context.GetSendEndpoint(CommandQueues.AddressOf(queue));
                await endpoint.Send(context.Message, copy => copy.Headers.Set(CopyHeader, true), context.CancellationToken);
            }
            await next.Send(context);
        }

        public void Probe(ProbeContext context) => context.CreateFilterScope("faults");
    }
}
