using System.IO.Compression;
using ConcertSaga.Contracts;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Net.Http.Headers;

namespace ConcertSaga.Seats.Endpoints;

/// <summary>Serves the plans of halls, which are apart from the seat maps because they never change.</summary>
internal static class VenuePlanEndpoints
{
    private const string Brotli = "br";

    private static readonly VenuePlan Unknown = VenuePlan.Of(new VenuePlanView([]));

    public static void MapVenuePlans(this IEndpointRouteBuilder routes) =>
        routes.MapGroup("/api/schedules").WithTags("Schedules").ProducesProblem(StatusCodes.Status400BadRequest)
            .MapGet("/{scheduleId:int}/plan", GetPlan)
            .Produces<VenuePlanView>().Produces(StatusCodes.Status304NotModified).Refuses(404, RefusalCodes.ScheduleNotFound);

    /// <summary>
    /// Returns the sections and rows of a schedule's hall, with the flags of its seats. Without sections, draw the seats as a plain grid. A
    /// caller that already has this plan (<c>If-None-Match</c>) gets a 304. A pass for another concert gets a 404.
    /// </summary>
    internal static async Task<Results<EmptyHttpResult, StatusCodeHttpResult, ProblemHttpResult>> GetPlan(
        int scheduleId, Caller caller, SeatsDbContext database, HttpContext http, CancellationToken cancellationToken)
    {
        var found = await database.Schedules.Where(schedule => schedule.ScheduleId == scheduleId)
            .Select(schedule => new { schedule.ConcertId, schedule.VenuePlanId }).FirstOrDefaultAsync(cancellationToken);
        if (found is null || (caller.QueueConcertId ?? found.ConcertId) != found.ConcertId)
            return ScheduleEndpoints.NotFound();
        var id = found.VenuePlanId ?? Unknown.VenuePlanId;
        var response = http.Response;
        // Weak, because the compressed and the plain bytes are the same plan.
        var tag = new EntityTagHeaderValue($"\"{id}\"", isWeak: true);
        response.Headers.ETag = tag.ToString();
        response.Headers.CacheControl = "private, max-age=300";
        response.Headers.Vary = HeaderNames.AcceptEncoding;
        if (http.Request.GetTypedHeaders().IfNoneMatch.Any(known => known.Equals(EntityTagHeaderValue.Any)
            || known.Compare(tag, useStrongComparison: false)))
            return TypedResults.StatusCode(StatusCodes.Status304NotModified);

        var content = id == Unknown.VenuePlanId ? Unknown.Content
            : await database.VenuePlans.Where(plan => plan.VenuePlanId == id).Select(plan => plan.Content)
                .FirstOrDefaultAsync(cancellationToken) ?? Unknown.Content;
        await WriteAsync(http, content, cancellationToken);
        return TypedResults.Empty;
    }

    private static async Task WriteAsync(HttpContext http, byte[] content, CancellationToken cancellationToken)
    {
        http.Response.ContentType = "application/json; charset=utf-8";
        if (http.Request.GetTypedHeaders().AcceptEncoding.Any(coding => coding.Value == Brotli && coding.Quality is not 0))
        {
            http.Response.Headers.ContentEncoding = Brotli;
            http.Response.ContentLength = content.Length;
            await http.Response.Body.WriteAsync(content, cancellationToken);
            return;
        }
        await using var plain = new BrotliStream(new MemoryStream(content), CompressionMode.Decompress);
        await plain.CopyToAsync(http.Response.Body, cancellationToken);
    }
}
