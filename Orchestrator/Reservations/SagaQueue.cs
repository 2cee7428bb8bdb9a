using ConcertSaga.Contracts;
using MassTransit;

namespace ConcertSaga.Orchestrator.Reservations;

/// <summary>Sends commands to the saga's queue.</summary>
internal static class SagaQueue
{
    /// <summary>
    /// Sends a command. The provider of a scope sends it with the caller's next save: the bus outbox keeps it until then.
    /// </summary>
    public static async Task SendToSagaAsync<T>(
        this ISendEndpointProvider bus, T command, CancellationToken cancellationToken, Guid? messageId = null)
        where T : class
    {
        var saga = await bus.GetSendEndpoint(CommandQueues.AddressOf(CommandQueues.Reservations));
        await saga.Send(command, context => context.MessageId = messageId ?? context.MessageId, cancellationToken);
    }
}
