using System.Diagnostics.Metrics;

namespace ConcertSaga.Gateway;

/// <summary>Counts what the gateway itself refuses, by code. What a service refuses is counted there.</summary>
internal static class RefusalCounter
{
    private static readonly Meter Meter = new("ConcertSaga");

    private static readonly Counter<long> Refusals =
        Meter.CreateCounter<long>("concertsaga.gateway.refusals", "{refusal}", "Requests the gateway answered with a problem of its own.");

    public static void AddRefusalCounter(this WebApplicationBuilder builder) =>
        builder.Services.PostConfigure<ProblemDetailsOptions>(options =>
        {
            var customize = options.CustomizeProblemDetails;
            options.CustomizeProblemDetails = context =>
            {
                customize?.Invoke(context);
                Refusals.Add(1, new KeyValuePair<string, object?>("code", context.ProblemDetails.Extensions["code"]));
            };
        });
}
