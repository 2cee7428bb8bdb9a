using System.Linq.Expressions;
using System.Reflection;
using ConcertSaga.Contracts;
using MassTransit;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>
/// Uses the reservation's id as correlation id of its messages, and adds it to all log lines written while such a message is handled. So
/// operators can search the logs and traces of all processes by it.
/// </summary>
internal sealed class ReservationCorrelation(ILogger<ReservationCorrelation> logger) : IFilter<ConsumeContext>
{
    private static readonly Func<ILogger, Guid, IDisposable?> Scope = LoggerMessage.DefineScope<Guid>("ReservationId:{ReservationId}");

    static ReservationCorrelation()
    {
        var correlate = typeof(ReservationCorrelation).GetMethod(nameof(Correlate), BindingFlags.NonPublic | BindingFlags.Static)!;
        foreach (var message in typeof(CommandQueues).Assembly.GetExportedTypes())
        {
            if (message.GetProperty("ReservationId") is { } property && property.PropertyType == typeof(Guid))
                correlate.MakeGenericMethod(message).Invoke(null, [property]);
        }
    }

    public async Task Send(ConsumeContext context, IPipe<ConsumeContext> next)
    {
        using (context.CorrelationId is { } id ? Scope(logger, id) : null)
            await next.Send(context);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("reservationCorrelation");

    private static void Correlate<T>(PropertyInfo reservationId)
        where T : class
    {
        var message = Expression.Parameter(typeof(T));
        var get = Expression.Lambda<Func<T, Guid>>(Expression.Property(message, reservationId), message).Compile();
        GlobalTopology.Send.UseCorrelationId(get);
    }
}
