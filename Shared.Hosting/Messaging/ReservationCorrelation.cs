using System.Linq.Expressions;
using System.Reflection;
using ConcertSaga.Contracts;
using MassTransit;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Shared.Hosting.Messaging;

/// <summary>
/// Makes the reservation the correlation id of every message about one, and puts it into the scope of everything logged while such a message
/// is handled, so that logs and traces of all processes can be searched by it.
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
