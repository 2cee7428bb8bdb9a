using System.Diagnostics.Metrics;

namespace ConcertSaga.Gateway.Rejections;

/// <summary>Counts the requests that the gateway itself refuses, by code. Services count their own refusals.</summary>
internal static class RefusalCounter
{
    private static readonly Meter Meter = new("ConcertSaga");

    private static readonly Counter<long> Refusals =
        Meter.CreateCounter<long>("concertsaga.gateway.refusals", "{refusal}", "Requests that the gateway itself refused.");

    // Key of the exact reason among the items of a request.
    private static readonly object Reason = new();

    /// <summary>Sets the exact reason of a refusal. Only the metrics show it.</summary>
    public static void SetReason(HttpContext context, string? reason)
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
                var code = context.ProblemDetails.Extensions["code"];
                Refusals.Add(1, new("code", code), new("reason", context.HttpContext.Items[Reason]));
                if (context.ProblemDetails.Status is 400 or 408 or 413 or 414 or 431)
                    context.HttpContext.RequestServices.GetRequiredService<ClientFaultCounter>().Count($"{code}");
            };
        });
}
