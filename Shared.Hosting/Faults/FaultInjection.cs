using System.ComponentModel.DataAnnotations;
using ConcertSaga.Contracts;
using MassTransit;

namespace ConcertSaga.Shared.Hosting.Faults;

/// <summary>Section <c>Faults:{Command}</c>, where the command is a type name such as <c>HoldSeats</c>.</summary>
public sealed class CommandFaults
{
    /// <summary>Share of forward commands that are refused with the step's usual refusal, 0 to 1.</summary>
    [Range(0.0, 1.0)]
    public double RejectRate { get; set; }

    /// <summary>Share of commands that get no reply, 0 to 1. Half of these are not handled at all, half lose only the reply.</summary>
    [Range(0.0, 1.0)]
    public double DropRate { get; set; }

    /// <summary>How long each command waits before it is handled.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan Delay { get; set; }

    /// <summary>Share of commands that are handled twice, 0 to 1.</summary>
    [Range(0.0, 1.0)]
    public double DuplicateRate { get; set; }
}

/// <summary>
/// Faults on demand, for tests, demonstrations and drills; off unless <c>Faults:Enabled</c> is true. Each rate is rolled for each command
/// that is handled.
/// </summary>
public sealed class FaultInjection
{
    private const string CopyHeader = "Fault-Copy";

    private static readonly AsyncLocal<bool> Muted = new();

    private readonly bool _enabled;

    // Replaced as a whole when the file of Faults:File changes.
    private volatile IReadOnlyDictionary<string, CommandFaults> _faults = new Dictionary<string, CommandFaults>();

    internal FaultInjection(bool enabled) => _enabled = enabled;

    /// <summary>No faults.</summary>
    public static FaultInjection None { get; } = new(enabled: false);

    /// <summary>Whether this forward command is to be refused.</summary>
    public bool Rejects<TCommand>() =>
        _faults.TryGetValue(typeof(TCommand).Name, out var fault) && Roll(fault.RejectRate);

    /// <summary>From the next command on, these faults.</summary>
    internal void Use(IReadOnlyDictionary<string, CommandFaults> faults) => _faults = faults;

    /// <summary>Adds the filters, where there may be faults.</summary>
    internal void Apply(IBusFactoryConfigurator bus, IRegistrationContext context)
    {
        if (_enabled)
            bus.UseConsumeFilter(typeof(ConsumeFilter<>), context);
    }

    internal static bool DropsReply => Muted.Value;

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
                    return;
                Muted.Value = true;
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

/// <summary>How a service answers a command.</summary>
public static class Replies
{
    /// <summary>Publishes the reply to a command, after its decision is committed.</summary>
    public static Task ReplyAsync(this ConsumeContext context, object reply) =>
        FaultInjection.DropsReply ? Task.CompletedTask : context.Publish(reply, reply.GetType(), context.CancellationToken);
}
