using System.Data.Common;
using System.Net.Sockets;
using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>
/// What happens when handling a message fails: the trouble of a database or broker is waited out for up to ten minutes, anything else is
/// tried three more times and then moves to the <c>_error</c> queue. Both retries start over with a fresh scope and transaction.
/// </summary>
public static class FailurePolicy
{
    // 50 ms doubling to 15 s; together a little over ten minutes.
    private static readonly TimeSpan[] TransientBackOff =
        [.. Enumerable.Range(0, 9).Select(step => TimeSpan.FromMilliseconds(50 * Math.Pow(2, step))), .. Enumerable.Repeat(TimeSpan.FromSeconds(15), 39)];

    private static readonly TimeSpan[] OtherBackOff =
        [TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(2)];

    /// <summary>Puts both retries around everything else on the endpoint.</summary>
    internal static void Apply(IConsumePipeConfigurator endpoint)
    {
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(IsTransient);
            retry.Intervals(TransientBackOff);
        });
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(exception => exception is not OperationCanceledException && !IsTransient(exception));
            retry.Intervals(OtherBackOff);
        });
    }

    /// <summary>
    /// Whether trying again later can help: a lost connection, a deadlock, a lock that was not given, a concurrent change, a broker that does
    /// not answer.
    /// </summary>
    public static bool IsTransient(Exception exception) => exception switch
    {
        DbUpdateConcurrencyException => true,
        Microsoft.Data.Sqlite.SqliteException sqlite => sqlite.SqliteErrorCode is 5 or 6,
        // 1205 deadlock victim, -2 timeout, 1222 lock timeout, and what a server that goes away or is not there yet answers.
        Microsoft.Data.SqlClient.SqlException server => server.Number is 1205 or -2 or 1222 or 233 or 64 or 20 or 53 or 10053 or 10054 or 10060 or 10061 or 4060 or 18456 or 40613,
        // 57P01 to 57P05: the server is stopping, has crashed or is starting; Npgsql calls only some of them transient.
        Npgsql.PostgresException { SqlState: ['5', '7', 'P', ..] } => true,
        DbException database => database.IsTransient,
        TimeoutException or SocketException or EndOfStreamException => true,
        ConnectionException => true,
        RabbitMQ.Client.Exceptions.AlreadyClosedException or RabbitMQ.Client.Exceptions.OperationInterruptedException
            or RabbitMQ.Client.Exceptions.BrokerUnreachableException => true,
        { InnerException: { } inner } => IsTransient(inner),
        _ => false
    };
}
