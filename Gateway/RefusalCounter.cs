using System.Diagnostics.Metrics;

namespace ConcertSaga.Gateway;

/// <summary>Counts what the gateway itself refuses, by code. What a service refuses is counted there.</summary>
internal static class RefusalCounter
{
    private static readonly Meter Meter = new("ConcertSaga");

    private static readonly Counter<long> Refusals =
        Meter.CreateCounter<long>("concertsaga.gateway.refusals", "{refusal}", "Requests the gateway answered with a problem of its own.");

    // Under this a request keeps more than its caller is told.
    private static readonly object Reason = new();

    /// <summary>Says in the metrics, and nowhere else, what exactly was wrong.</summary>
    public static void Because(HttpContext context, string? reason)
    {
        if (reason is not null)
            context.Items[Reason] = reason;
    }

    public static void AddRefusalCounter(this WebApplicationBuilder builder) =>
        builder.Services.PostConfigure<ProblemDetailsOptions>(options =>
        {
            var customize = options.CustomizeProblemDetails;
            options.CustomizeProblemDetails = context =>
            {
                customize?.Invoke(context);
                Refusals.Add(1, new("code", context.ProblemDetails.Extensions["code"]), new("reason", context.HttpContext.Items[Reason]));
            };
        });
}
